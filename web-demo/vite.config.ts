import { defineConfig } from 'vite';

export default defineConfig({
  root: 'page',
  // The built page works in any folder of any server.
  base: './',
  assetsInclude: ['**/*.pcap', '**/*.pcapng', '**/*.pcap.gz'],
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2023',
    // The page's policy allows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  preview: { host: '127.0.0.1' },
  worker: { format: 'es' },
});
