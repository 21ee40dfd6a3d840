"""Deployment: the model registry and its champion, the round trip before a promotion, serving, publishing on the Hub.

Not here: which optimization is chosen (`selection/`).
"""
