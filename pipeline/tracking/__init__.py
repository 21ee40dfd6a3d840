"""MLflow: runs, what they hold, sweeps, the prepared view, and the identity by which runs are found again.

Only this room and `deployment/` import mlflow. Not here: what is read off runs (`reporting/`, `selection/`).
"""
