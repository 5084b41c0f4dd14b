"""Plays the hub against one real device and says, check by check, what of the contract it keeps."""
