"""Examination of a machine: software, GPUs, Slurm, network, disks, limits, and a worker that is started."""
