"""Networks of dates and pairs, and the order in which their dates are eliminated."""
