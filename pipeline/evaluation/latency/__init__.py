"""Latency: pairs of fresh processes that take turns, measurements of a single process, and the worker process.

This file imports nothing, so a worker starts fast.
"""
