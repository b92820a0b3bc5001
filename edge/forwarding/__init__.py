"""The upstream side: what is sent to a function, and the pooled connections it goes over."""
