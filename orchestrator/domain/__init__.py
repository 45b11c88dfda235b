"""The ground floor: values, states, outcomes and errors. No I/O, no clock, no logging."""
