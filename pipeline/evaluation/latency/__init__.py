"""Latency: pairs of fresh processes that take turns, what one process alone does, and the worker process itself.

This file imports nothing, so that a worker starts fast.
"""
