"""Wristbands: tokens that AuthConfigs issue, and what others need to verify them."""
