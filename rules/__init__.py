"""What follows from the facts: alerts, availability, access, hours. Pure: no I/O, no clock, no log."""
