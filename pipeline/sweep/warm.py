"""Imported by the server that jobs are forked from: what each of them would find out again, it then knows."""

from pipeline.machine import machine

machine()
