from .connection import connect as connect
from .connection import dashboard_link as dashboard_link
from .options import ClusterOptions as ClusterOptions
from .slurm.script import job_script as job_script
from .slurm.script import plan_jobs as plan_jobs

__all__ = [
    "ClusterOptions",
    "connect",
    "dashboard_link",
    "job_script",
    "plan_jobs",
]
