"""Our own doors: JSON over HTTP for a DUI that would rather not speak SOAP or SMTP (design §8)."""
