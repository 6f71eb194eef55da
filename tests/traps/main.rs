//! Every known way in which session logs mislead whoever adds them up, each as a test of its own name: C for Claude
//! Code, O for OpenClaw, X for any log. All of them go from files through the whole pipeline to the rows it reports.

mod any_order;
mod captured;
mod claude_code;
mod openclaw;
mod support;
