"""Raw websocket frames as JSON lines: what came over the wire, byte for byte."""
