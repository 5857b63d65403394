//! The NetBIOS name service helper as a component for `wit/helper.wit`.

towpath_helper_kit::component!(towpath_helper_netbios_ns::NetbiosNs);
