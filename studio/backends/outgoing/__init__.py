"""What the service sends to others by itself: mail and webhooks."""
