"""The national services, simulated. Shares constants and transport with the connectors, never a parser."""
