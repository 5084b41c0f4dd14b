"""Words that every part of Waystation shares: ids, topics, envelopes, facts, errors. Pure."""
