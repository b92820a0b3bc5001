"""The fast lane: plain HTTP/1.1 requests carried out in callbacks, without a task for each."""
