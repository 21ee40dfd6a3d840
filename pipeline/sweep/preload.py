"""Imported by the server that jobs are forked from: what each of them would find out again, it then knows."""

from pipeline.system.machine import machine

machine()
