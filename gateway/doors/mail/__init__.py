"""Mail doors (design §8): SMTP submission between a DUI and its MSSanté operator."""
