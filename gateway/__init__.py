"""Process 1: broker → decide → commit → acknowledge. The only one that commands devices."""
