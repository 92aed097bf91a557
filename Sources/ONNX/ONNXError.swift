import Base

/// What can go wrong on the way from a network to a graph.
public typealias ONNXError = ErrorOf<Exporter>
