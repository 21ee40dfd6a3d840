"""How a command line becomes a `Config`: composed by Hydra, checked against typed schemas, its mistakes told in one line."""
