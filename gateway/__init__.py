"""What the DUI calls: doors, journal, usage, and the commands around them."""
