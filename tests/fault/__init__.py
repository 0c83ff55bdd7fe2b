"""Processes killed, frozen and starved, with real servers; each module on its own broker."""
