"""MLflow: runs and their contents, sweeps, the prepared view, and the identity by which runs are found again.

Only this room and `deployment/` import mlflow. Not here: conclusions from runs (`reporting/`, `selection/`).
"""
