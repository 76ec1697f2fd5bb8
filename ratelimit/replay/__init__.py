"""What limits would have done to recorded traffic."""
