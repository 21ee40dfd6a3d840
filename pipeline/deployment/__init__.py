"""Deployment: the model registry and its champion, the check before a promotion, serving, publishing on the Hub.

Not here: which optimization is chosen (`selection/`).
"""
