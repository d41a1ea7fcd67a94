#!/usr/bin/env bash
# JupyterLab for you alone, on a login node: bash start_jupyter.sh; or in a job: sbatch start_jupyter.sh.
#
# It listens on the loopback of its machine and wants a token, and says how you get to it from your own computer.
#SBATCH --job-name=jupyter
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=08:00:00
#SBATCH --output=%x-%j.log
set -euo pipefail
umask 077

# --- What your site wants -------------------------------------------------------------------------------------
# module load cuda
# source ~/fringefleet/bin/activate
read -r -a command <<<"${JUPYTER:-jupyter lab}"
# --------------------------------------------------------------------------------------------------------------

host=$(hostname)
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# In the environment, and not on the command line, which every user of this machine can read.
JUPYTER_TOKEN=$(python -c 'import secrets; print(secrets.token_urlsafe(32))')
export JUPYTER_TOKEN

# In a job the way goes through the node that it was submitted from.
jump=''
if [[ -n ${SLURM_JOB_ID:-} ]]; then jump="-J $USER@${SLURM_SUBMIT_HOST:-LOGIN_NODE} "; fi

# sbatch makes its log readable by others, and the token is for you only: it is in this file.
access=$(mktemp "$PWD/jupyter-XXXXXXXX")
trap 'rm -f "$access"' EXIT
cat >"$access" <<END
ssh -N ${jump}-L $port:127.0.0.1:$port $USER@$host
http://127.0.0.1:$port/?token=$JUPYTER_TOKEN
END
echo "On your own computer, run the first line of $access, and open the second there."

"${command[@]}" --no-browser --ip=127.0.0.1 --port="$port" --ServerApp.port_retries=0 \
  --ServerApp.log_level=WARN &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -f "$access"' EXIT
trap 'exit 143' TERM INT
wait $server
