"""Who a request comes from, what it may do, and the endpoints and commands that change that."""
