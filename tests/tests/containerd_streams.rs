//! Streams in and out of real containers: logs, commands, attached terminals, forwarded ports, probes.
