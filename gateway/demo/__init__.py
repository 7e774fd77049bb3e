"""The sandbox and the demonstration: a reference platform, a gateway, a made-up hospital."""
