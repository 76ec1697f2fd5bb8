"""Client certificates: where they come from, whom they name, and whether they may be trusted."""
