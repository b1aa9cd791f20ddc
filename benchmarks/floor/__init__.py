"""Code written by hand for one driver and one model: the least that each row of the table can cost."""
