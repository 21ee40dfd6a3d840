"""The fork server imports this module, so that jobs inherit the description of the machine and need not collect it."""

from pipeline.system.machine import machine

machine()
