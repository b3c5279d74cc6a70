"""What we did: decisions, orders, fills, cash, leases, freezes and trials."""
