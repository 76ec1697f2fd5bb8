"""Results of suspended calls on their way back; for other modules of the core only."""
