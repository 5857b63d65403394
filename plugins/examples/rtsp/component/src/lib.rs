//! The rtsp helper as a component for `wit/helper.wit`.

towpath_helper_kit::component!(towpath_helper_rtsp::Rtsp);
