"""How to speak to each national service. Knows neither the gateway nor the mocks."""
