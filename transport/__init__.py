"""How messages travel between the hub and its stations: MQTT 3.1.1 through paho, one thread for sockets."""
