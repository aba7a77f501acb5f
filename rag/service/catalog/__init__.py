"""Which libraries the service has, by tenant and name."""
