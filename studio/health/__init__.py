"""The service about itself: alive, ready, measured, and documented."""
