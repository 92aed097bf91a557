import Glibc

/// The memory of the machine.
public enum Memory {
    /// Bytes of physical memory; where the system does not tell, no limit.
    public static let physicalBytes: Int = {
        let (bytes, overflow) = sysconf(Int32(_SC_PHYS_PAGES)).multipliedReportingOverflow(
            by: sysconf(Int32(_SC_PAGESIZE)))
        return overflow || bytes <= 0 ? Int.max : bytes
    }()
}
