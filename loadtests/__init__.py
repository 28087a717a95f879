"""The DUI that the demo and Locust play: it builds real messages and speaks only by network."""
