"""What several steps have in common: training settings, teachers, the transfer set, inference over a split, agreement."""
