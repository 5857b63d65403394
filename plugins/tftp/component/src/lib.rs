//! The TFTP helper as a component for `wit/helper.wit`.

towpath_helper_kit::component!(towpath_helper_tftp::Tftp);
