"""Turns a command line into a `Config`: composed by Hydra, checked against typed schemas, with one-line errors."""
