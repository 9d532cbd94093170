"""Imports unmanaged VMware VMs into Apache CloudStack in bulk. The library: no Prefect import anywhere inside."""
