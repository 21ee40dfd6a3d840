"""What several steps use: training settings, teachers, the transfer set, inference over a split, agreement."""
